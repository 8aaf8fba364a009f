/* A library in a directory that only addAutoPatchelfSearchPath names. */
const char *vendor(void) { return "vendor"; }
