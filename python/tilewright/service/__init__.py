"""The task format: request dict in, response envelope out."""
