"""From the `inputImage` of a task to the bytes or the array behind it."""
