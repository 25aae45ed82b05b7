"""Walking folders, writing files whole, small stores."""
