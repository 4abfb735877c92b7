//go:build !race

package control_test

func init() { whole = true }
