"""Plan and scenario to KPIs, charts and counter-examples: the same kernel on a virtual clock, with faults."""
