/* What the check must find fault with, so that it is known to be able to. */
#define VALUES 160
#define EACH(i) _Pragma("unroll") for (int i = 0; i < VALUES; i++)

/* More values at once than an item of so large a group has registers. */
__kernel __attribute__((reqd_work_group_size(1024, 1, 1))) void too_many(__global float *p, const int n) {
  float v[VALUES];
  EACH(i) v[i] = p[i * n];
  for (int r = 0; r < n; r++) EACH(i) v[i] = fma(v[i], v[(i + 7) % VALUES], p[r]);
  EACH(i) p[i * n] = v[i];
}

/* An array that a loop indexes. */
__kernel void indexed(__global float *p, const int n) {
  float v[64];
  for (int i = 0; i < 64; i++) v[i] = p[i];
  for (int i = 0; i < n; i++) v[(int)p[i] & 63] += p[n + i];
  for (int i = 0; i < 64; i++) p[i] = v[i];
}

/* More local memory than OpenCL promises. */
__kernel void large(__global float *p, const int n) {
  __local float all[8193];
  for (int i = 0; i < 8193; i++) all[i] = p[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  p[get_global_id(0)] = all[n];
}
