"""What more rows would buy: the learning curve of a model and its forecast."""
