"""What a notebook or a terminal shows of pictures and their progress."""
