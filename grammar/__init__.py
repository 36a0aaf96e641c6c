"""Text to syntax tree with spans, or diagnostics; and back to text. Imports nothing of the other parts."""
