package main

import "context"

func benchEventPath(context.Context) ([]figure, error) { return nil, nil }
