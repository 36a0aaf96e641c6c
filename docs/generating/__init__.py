"""The pages of the reference that are made from the code, a module for what they are about."""
