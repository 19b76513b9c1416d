/* The table of elementwise ops. To add one: a row here, its number in formula.h, a line in ops.h and elementwise.c, and a row in the
 * tests' table. */
#include "ops/formula.h"

#define BCE "max(x, 0) - x*t + log1p(exp(-abs(x)))"

const clg_row clg_rows[CLG_ROWS] = {
    [CLG_ROW_ADD] = {"add", "x + o", {"x", "o"}, {0}, {0}},
    [CLG_ROW_SUB] = {"sub", "x - o", {"x", "o"}, {0}, {0}},
    [CLG_ROW_MUL] = {"mul", "x*o", {"x", "o"}, {0}, {0}},
    [CLG_ROW_DIV] = {"div", "x/o", {"x", "o"}, {0}, {0}},
    [CLG_ROW_MAXIMUM] = {"maximum", "max(x, o)", {"x", "o"}, {0}, {0}},
    [CLG_ROW_MINIMUM] = {"minimum", "min(x, o)", {"x", "o"}, {0}, {0}},
    [CLG_ROW_ADD_SCALAR] = {"add_scalar", "x + s", {"x"}, {"s"}, {0}},
    [CLG_ROW_MUL_SCALAR] = {"mul_scalar", "x*s", {"x"}, {"s"}, {0}},
    [CLG_ROW_POW_SCALAR] = {"pow", "pow(x, p)", {"x"}, {"p"}, {"p == 0 ? 0 : p*pow(x, p - 1)"}},
    [CLG_ROW_NEG] = {"neg", "-x", {"x"}, {0}, {0}},
    [CLG_ROW_ABS] = {"abs", "abs(x)", {"x"}, {0}, {0}},
    [CLG_ROW_EXP] = {"exp", "exp(x)", {"x"}, {0}, {0}},
    [CLG_ROW_LOG] = {"log", "log(x)", {"x"}, {0}, {0}},
    [CLG_ROW_SQRT] = {"sqrt", "sqrt(x)", {"x"}, {0}, {0}},
    [CLG_ROW_RSQRT] = {"rsqrt", "rsqrt(x)", {"x"}, {0}, {0}},
    [CLG_ROW_SQUARE] = {"square", "x*x", {"x"}, {0}, {0}},
    [CLG_ROW_SIN] = {"sin", "sin(x)", {"x"}, {0}, {0}},
    [CLG_ROW_COS] = {"cos", "cos(x)", {"x"}, {0}, {0}},
    [CLG_ROW_TANH] = {"tanh", "tanh(x)", {"x"}, {0}, {0}},
    [CLG_ROW_SIGMOID] = {"sigmoid", "sigmoid(x)", {"x"}, {0}, {0}},
    /* The sign of the result is the sign of x, so the result serves: the next op usually keeps it anyway. */
    [CLG_ROW_RELU] = {"relu", "x > 0 ? x : 0", {"x"}, {0}, {"y > 0 ? 1 : 0"}},
    [CLG_ROW_LEAKY_RELU] = {"leaky_relu", "x > 0 ? x : slope*x", {"x"}, {"slope"}, {"y > 0 ? 1 : slope"}},
    [CLG_ROW_LEAKY_RELU_ANY] = {"leaky_relu", "x > 0 ? x : slope*x", {"x"}, {"slope"}, {0}}, /* slope <= 0 */
    [CLG_ROW_GELU] = {"gelu", "0.5*x*(1 + erf(x*0.7071067811865476))", {"x"}, {0}, {0}},
    [CLG_ROW_SILU] = {"silu", "x*sigmoid(x)", {"x"}, {0}, {0}},
    [CLG_ROW_SOFTPLUS] = {"softplus", "beta*x > threshold ? x : log1p(exp(beta*x))/beta", {"x"}, {"beta", "threshold"},
                          {"beta*x > threshold ? 1 : sigmoid(beta*x)"}},
    [CLG_ROW_CLAMP] = {"clamp", "x < low ? low : (x > high ? high : x)", {"x"}, {"low", "high"}, {0}},
    [CLG_ROW_COPY] = {"contiguous", "x", {"x"}, {0}, {0}},
    [CLG_ROW_SUM] = {"sum", "x", {"x"}, {0}, {0}},
    [CLG_ROW_MEAN] = {"mean", "x*s", {"x"}, {"s"}, {0}},
    /* The algebra would give a second derivative of 0 at x = 0 instead of 1/4. */
    [CLG_ROW_BCE_LOGITS] = {"bce_with_logits", "(" BCE ")*s", {"x", "t"}, {"s"}, {"(sigmoid(x) - t)*s", "-x*s"}},
    [CLG_ROW_MSE] = {"mse_loss", "(x - t)*(x - t)*s", {"x", "t"}, {"s"}, {"2*(x - t)*s", "-2*(x - t)*s"}},
    /* The gradient of a maximum over a range: how many equal it, and each one's share. */
    [CLG_ROW_EQUAL] = {"amax", "x == q ? 1 : 0", {"x", "q"}, {0}, {0}},
    [CLG_ROW_SHARE] = {"amax", "x == q ? h : 0", {"x", "q", "h"}, {0}, {0}},
};
