#include "../../script.hpp"

ADJUTANT_SUBORDINATE(script::work)
