#include "../../script.h"
