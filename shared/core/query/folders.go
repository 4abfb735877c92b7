package query

import "regexp"

// absolute is an absolute path of two parts or more, and the character before it. It is
// no part of a URL, nor of a word.
var absolute = regexp.MustCompile(`(^|[\s"'` + "`" + `(=:,])/(?:[^\s"'` + "`" + `():,;/]+/)+([^\s"'` + "`" + `():,;/]+)`)

// WithoutFolders replaces the absolute paths in a reason by the base names of their files.
// Callers read the reason, and the folders of the machine that serves are not for them.
func WithoutFolders(reason string) string { return absolute.ReplaceAllString(reason, "$1$2") }
