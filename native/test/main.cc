#include "test/testing.h"

int main(int argc, char** argv) { return permafrost::testing::run_all(argc > 1 ? argv[1] : ""); }
