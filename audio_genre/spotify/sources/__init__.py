"""Where the genres of songs come from, one file each; nothing of Spotify's is given to a model."""
