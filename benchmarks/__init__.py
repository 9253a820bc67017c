"""How fast is the first slice, beside something named that was measured in the same run? See README.md here."""
