"""Studies: what a spec says about its own behaviour in profiles, scenarios and tests; checked and lowered here."""
