/* The driver's library, as a stub or as Jetson's cuda_compat has it. */
int cuInit(unsigned flags) { (void)flags; return 34; }
