#include "jail/steps.h"

void steps_down(const struct step *steps, size_t count, void *thing)
{
	while (count-- > 0) {
		if (steps[count].down != NULL)
			steps[count].down(thing);
	}
}

int steps_up(const struct step *steps, size_t count, void *thing, struct fault *f)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i].up(thing, f) < 0) {
			steps_down(steps, i, thing);
			return fault_wrap(f, "%s", steps[i].name);
		}
	}
	return 0;
}
