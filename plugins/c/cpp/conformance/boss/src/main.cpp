#include "../../script.hpp"

ADJUTANT_BOSS(script::work)
