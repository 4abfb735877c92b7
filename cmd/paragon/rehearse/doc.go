// Package rehearse plays a deployment without an account: it makes the
// synthesized stack on a stand-in, and has the deployed binaries answer queries
// there. `make rehearse` runs its test.
package rehearse
