/* The table of elementwise ops, and of formulas that other ops run: ROW(ID, name, formula, tensors, numbers, stated
 * gradients), see clg_row. CLG_ROW_ID is its number. To add an op: a row here, a line in ops.h and elementwise.c, and
 * rows in the tests' table. No name of an input or a number is that of a function of OpenCL C, or "t" with a number
 * behind: those are the temporaries'. */

/* Of an infinite logit that a target denies infinity, not a difference of two. */
#define BCE "(x > 0 ? x*(1 - t) : -x*t) + softplus(-abs(x))"

ROW(ADD, "add", "x + o", {"x", "o"}, {0}, {0})
ROW(SUB, "sub", "x - o", {"x", "o"}, {0}, {0})
ROW(MUL, "mul", "x*o", {"x", "o"}, {0}, {0})
ROW(DIV, "div", "x/o", {"x", "o"}, {0}, {0})
ROW(MAXIMUM, "maximum", "max(x, o)", {"x", "o"}, {0}, {0})
ROW(MINIMUM, "minimum", "min(x, o)", {"x", "o"}, {0}, {0})
ROW(ADD_SCALAR, "add_scalar", "x + s", {"x"}, {"s"}, {0})
ROW(MUL_SCALAR, "mul_scalar", "x*s", {"x"}, {"s"}, {0})
ROW(POW_SCALAR, "pow", "pow(x, p)", {"x"}, {"p"}, {"p == 0 ? 0 : p*pow(x, p - 1)"})
ROW(POW_2, "pow", "pow(x, 2)", {"x"}, {0}, {0})
ROW(POW_3, "pow", "x*x*x", {"x"}, {0}, {"3*(x*x)"})
ROW(POW_4, "pow", "(x*x)*(x*x)", {"x"}, {0}, {"4*(x*x*x)"})
/* Powers keep x, reciprocals y. */
ROW(POW_MINUS_1, "pow", "1/x", {"x"}, {0}, {"-(1/x)*(1/x)"})
ROW(POW_MINUS_2, "pow", "(1/x)*(1/x)", {"x"}, {0}, {"-2*((1/x)*(1/x)*(1/x))"})
/* To C's pow the roots of -infinity and -0 are those of infinity and 0; other numbers below 0 have none. */
#define ROOTED "(x - x == 0 ? x : abs(x))"
ROW(POW_HALF, "pow", "abs(sqrt(" ROOTED "))", {"x"}, {0}, {"0.5*abs(rsqrt(" ROOTED "))"})
ROW(POW_3_HALVES, "pow", ROOTED "*sqrt(" ROOTED ")", {"x"}, {0}, {"1.5*sqrt(" ROOTED ")"})
ROW(NEG, "neg", "-x", {"x"}, {0}, {0})
ROW(ABS, "abs", "abs(x)", {"x"}, {0}, {0})
ROW(EXP, "exp", "exp(x)", {"x"}, {0}, {0})
ROW(LOG, "log", "log(x)", {"x"}, {0}, {0})
ROW(SQRT, "sqrt", "sqrt(x)", {"x"}, {0}, {0})
ROW(RSQRT, "rsqrt", "rsqrt(x)", {"x"}, {0}, {0})
ROW(SQUARE, "square", "x*x", {"x"}, {0}, {0})
ROW(SIN, "sin", "sin(x)", {"x"}, {0}, {0})
ROW(COS, "cos", "cos(x)", {"x"}, {0}, {0})
ROW(TANH, "tanh", "tanh(x)", {"x"}, {0}, {0})
ROW(SIGMOID, "sigmoid", "sigmoid(x)", {"x"}, {0}, {0})
/* The sign of the result is the sign of x, so the result serves: the next op usually keeps it anyway. */
ROW(RELU, "relu", "x <= 0 ? 0 : x", {"x"}, {0}, {"y <= 0 ? 0 : 1"})
ROW(LEAKY_RELU, "leaky_relu", "x > 0 ? x : slope*x", {"x"}, {"slope"}, {"y > 0 ? 1 : slope"})
ROW(LEAKY_RELU_ANY, "leaky_relu", "x > 0 ? x : slope*x", {"x"}, {"slope"}, {0}) /* slope <= 0 */
/* Beyond the bounds of this and the next two each is x or 0 to the last bit, and so are their derivatives, in which
 * a 0 would meet a factor that overflows. */
ROW(GELU, "gelu", "x < -15 ? 0 : x*(0.5*(1 + erf(x*0.7071067811865476)))", {"x"}, {0},
    {"x > 15 ? 1 : (x < -15 ? 0 : 0.5*(1 + erf(x*0.7071067811865476)) + x*(0.3989422804014327*exp(-0.5*x*x)))"})
ROW(SILU, "silu", "x < -104 ? 0 : x*sigmoid(x)", {"x"}, {0},
    {"x > 104 ? 1 : (x < -104 ? 0 : sigmoid(x) + x*(sigmoid(x)*(1 - sigmoid(x))))"})
/* tanh(softplus(x)) = n/(n + 2) with n = exp(x)*(exp(x) + 2). */
#define MISH_N "exp(x)*(exp(x) + 2)"
#define MISH_T "tanh(softplus(x))" /* in derivatives, where it becomes 1 and its own 0 together */
ROW(MISH, "mish", "x > 20 ? x : (x < -104 ? 0 : x*(" MISH_N "/(" MISH_N " + 2)))", {"x"}, {0},
    {"x > 20 ? 1 : (x < -104 ? 0 : " MISH_T " + x*((1 - " MISH_T "*" MISH_T ")*sigmoid(x)))"})
ROW(SOFTPLUS, "softplus", "beta*x > threshold ? x : softplus(beta*x)/beta", {"x"}, {"beta", "threshold"},
    {"beta*x > threshold ? 1 : sigmoid(beta*x)"})
ROW(CLAMP, "clamp", "x < low ? low : (x > high ? high : x)", {"x"}, {"low", "high"}, {0})
ROW(COPY, "contiguous", "x", {"x"}, {0}, {0})
ROW(SUM, "sum", "x", {"x"}, {0}, {0})
ROW(MEAN, "mean", "x*s", {"x"}, {"s"}, {0})
/* The algebra would give a second derivative of 0 at x = 0 instead of 1/4. */
ROW(BCE_LOGITS, "bce_with_logits_loss", "(" BCE ")*s", {"x", "t"}, {"s"}, {"(sigmoid(x) - t)*s", "-x*s"})
/* The mean of squares may be finite where a square is not, and that of a difference where twice it is not. */
ROW(MSE, "mse_loss", "(x - t)*s*(x - t)", {"x", "t"}, {"s"}, {"(x - t)*s*2", "(x - t)*s*-2"})
ROW(LOG1P, "log1p", "log1p(x)", {"x"}, {0}, {0})
ROW(EXPM1, "expm1", "expm1(x)", {"x"}, {0}, {0})
ROW(ERF, "erf", "erf(x)", {"x"}, {0}, {0})
ROW(RECIPROCAL, "reciprocal", "1/x", {"x"}, {0}, {"-y*y"})
ROW(SIGN, "sign", "sign(x)", {"x"}, {0}, {0})
ROW(FLOOR, "floor", "floor(x)", {"x"}, {0}, {0})
/* (1 + tanh(u))/2 = sigmoid(2*u), which cancels nothing. */
ROW(GELU_TANH, "gelu_tanh", "x > 11 ? x : (x < -11 ? 0 : x*sigmoid(1.5957691216057308*(x + 0.044715*x*x*x)))", {"x"},
    {0}, {0})
ROW(ELU, "elu", "x > 0 ? x : alpha*expm1(x)", {"x"}, {"alpha"}, {0})
ROW(POW, "pow", "pow(x, o)", {"x", "o"}, {0}, {0})
/* For b == 0 the result is infinite where x is negative, and 1 or 0 elsewhere. */
ROW(SCALAR_POW, "scalar_pow", "pow(b, x)", {"x"}, {"b"}, {"b == 0 ? (y <= 1 ? 0 : y*log(b)) : y*log(b)"})
ROW(WHERE, "where", "c != 0 ? x : o", {"c", "x", "o"}, {0}, {0})
ROW(MEAN_FROM, "mean", "(x - f)*s", {"x", "f"}, {"s"}, {0})
/* The mean of squares may be finite where a square is not. */
ROW(VAR, "var", "(x - f - mu)*s*(x - f - mu)", {"x", "f", "mu"}, {"s"}, {0})
ROW(CENTRED, "var", "(x - mu)*h*s", {"x", "mu", "h"}, {"s"}, {0})
ROW(DEVIATION, "std", "(x - f - mu)*s", {"x", "f", "mu"}, {"s"}, {0})
ROW(STD_GRADIENT, "std", "n == 0 ? 0 : h*((x - f - mu)/n)", {"x", "f", "mu", "n", "h"}, {0}, {0})
/* Of a normalisation that is differentiated twice: x from m in units of 1/k; 1/std in these units. */
ROW(MEASURED, "norm", "(x - m)*k", {"x", "m", "k"}, {0}, {0})
ROW(RSTD, "norm", "rsqrt(v + eps*k*k)", {"v", "k"}, {"eps"}, {0})
/* Of a norm: the magnitude of x, whose gradient at NaN is NaN; the terms of the sum; the gradient of norm n, which
 * is taken as 0 where n is 0. */
ROW(MAGNITUDE, "norm", "abs(x)", {"x"}, {0}, {"x == x ? sign(x) : x"})
ROW(POWER_OF_ABS, "norm", "pow(abs(x), p)", {"x"}, {"p"}, {0})
ROW(NORM_GRADIENT, "norm", "n == 0 ? 0 : h*(x/n)", {"x", "n", "h"}, {0}, {0})
ROW(NORM_P_GRADIENT, "norm", "x == 0 ? 0 : h*(sign(x)*pow(abs(x)/n, p - 1))", {"x", "n", "h"}, {"p"}, {0})
/* Of a loss: the weight 0 counts nothing, not even infinity. */
ROW(COUNTED, "counted", "w == 0 ? 0 : x*w", {"x", "w"}, {0}, {"w == 0 ? 0 : w", "x"})
ROW(AFFINE, "affine", "x*a + b", {"x", "a", "b"}, {0}, {0})
/* p is the weight of the positive targets. */
ROW(BCE_LOGITS_POS, "bce_with_logits_loss", "(x > 0 ? x*(1 - t) : -x*(p*t)) + (1 + (p - 1)*t)*softplus(-abs(x))",
    {"x", "t", "p"}, {0}, {"(1 - t) - (1 + (p - 1)*t)*sigmoid(-x)"})
ROW(BCE, "bce_loss", "-(t*max(log(x), -100) + (1 - t)*max(log1p(-x), -100))*s", {"x", "t"}, {"s"},
    {"(x - t)/max(x*(1 - x), 1e-12)*s", "(max(log1p(-x), -100) - max(log(x), -100))*s"})
ROW(L1, "l1_loss", "abs(x - t)*s", {"x", "t"}, {"s"}, {"sign(x - t)*s", "-sign(x - t)*s"})
/* The gradient of a maximum over a range: how many equal it, and each one's share. It is NaN where an x is. */
ROW(EQUAL, "amax", "x == q ? 1 : x == x ? 0 : 1", {"x", "q"}, {0}, {0})
ROW(SHARE, "amax", "x == q ? h : x == x ? 0 : h", {"x", "q", "h"}, {0}, {0})
/* 1 or 0. NaN equals nothing, and is true. */
ROW(EQ, "eq", "x == o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(NE, "ne", "x != o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(LT, "lt", "x < o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(LE, "le", "x <= o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(GT, "gt", "x > o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(GE, "ge", "x >= o ? 1 : 0", {"x", "o"}, {0}, {0})
ROW(LOGICAL_AND, "logical_and", "x != 0 ? (o != 0 ? 1 : 0) : 0", {"x", "o"}, {0}, {0})
ROW(LOGICAL_OR, "logical_or", "x != 0 ? 1 : (o != 0 ? 1 : 0)", {"x", "o"}, {0}, {0})
ROW(LOGICAL_XOR, "logical_xor", "x != 0 ? (o != 0 ? 0 : 1) : (o != 0 ? 1 : 0)", {"x", "o"}, {0}, {0})
ROW(LOGICAL_NOT, "logical_not", "x == 0 ? 1 : 0", {"x"}, {0}, {0})
/* Of logsumexp, m being the maximum: from an infinite one nothing is measured. */
ROW(LOGSUMEXP_TERM, "logsumexp", "exp(m - m == 0 ? x - m : x)", {"x", "m"}, {0}, {0})
ROW(LOGSUMEXP, "logsumexp", "m - m == 0 ? log(s) + m : log(s)", {"s", "m"}, {0}, {0})
ROW(LOGSUMEXP_GRADIENT, "logsumexp", "h*exp(x - n)", {"h", "x", "n"}, {0}, {0})

#undef ROOTED
#undef MISH_N
#undef MISH_T
#undef BCE
#undef ROW
