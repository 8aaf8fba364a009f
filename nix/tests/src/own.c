/* The package's own library, which needs another package's. */
const char *greet(void);
const char *own(void) { return greet(); }
