/* Learning-rate schedules in closed form, as PyTorch defines them. */
#include <clgrad/optim.h>
#include <math.h>

double clg_lr_step(double lr, uint64_t t, uint64_t every, double gamma) {
  return every ? lr * pow(gamma, (double)(t / every)) : lr;
}

double clg_lr_cosine(double lr, uint64_t t, uint64_t t_max, double lr_min) {
  const double pi = 3.14159265358979323846;
  return t_max ? lr_min + (lr - lr_min) * (1 + cos(pi * (double)t / (double)t_max)) / 2 : lr;
}

double clg_lr_warmup(double lr, uint64_t t, uint64_t steps, double start) {
  return t < steps ? lr * (start + (1 - start) * (double)t / (double)steps) : lr;
}
