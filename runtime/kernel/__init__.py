"""The kernel: every decision about a run, as a pure function of what has happened; it begins in `kernel.kernel`."""
