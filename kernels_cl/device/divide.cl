/* The device's own division and square root, for lib/device/divide.c to compare with the host's. Global id: number. */
__kernel void divide_own(__global const float *a, __global const float *b, __global float *quotient,
                         __global float *root, const uint n) {
  const size_t i = get_global_id(0);
  if (i >= n) return;
  quotient[i] = a[i] / b[i];
  root[i] = sqrt(b[i]);
}
