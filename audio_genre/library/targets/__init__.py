"""What takes a plan of which song goes to which playlist, one file each."""
