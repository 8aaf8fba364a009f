/* A library of a package of its own. */
const char *greet(void) { return "hello"; }
