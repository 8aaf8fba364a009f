// Says which host compiler has compiled it. It needs the C++ library.
#include <iostream>

int main() {
    int version = 0;
    cudaRuntimeGetVersion(&version);
    std::cout << "gcc " << __GNUC__ << ", runtime " << version << std::endl;
}
