"""What the engine talks about: Applications, projects, objects, artifacts. Values only, no I/O."""
