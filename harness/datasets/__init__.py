"""Image sets for calibration and accuracy, read with numpy alone. Owns where they lie and that they are unaltered."""
