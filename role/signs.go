package role

// The child tells its supervisor about itself in single bytes, so that the
// supervisor has nothing to parse. Unknown bytes mean nothing.
const (
	signReady    = 'r' // every role can do its work; also a sign of life
	signNotReady = 'n' // some role cannot; also a sign of life
)

// sandboxSigns are sent before the roles run: what came into force, and what
// could not and why.
var sandboxSigns = map[byte]struct{ name, why string }{
	'P': {"no_new_privs", ""},
	'B': {"capability_bounds", ""},
	'b': {"capability_bounds", "needs root"}, // with no_new_privs nothing can be gained all the same
	'L': {"landlock", ""},
	'l': {"landlock", "the kernel has no Landlock"},
	'j': {"jails instead of landlock", ""},
	'S': {"seccomp", ""},
	's': {"seccomp", "the kernel has no seccomp filters"},
}
