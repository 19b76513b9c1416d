# Rewrites a program for clgrad 0.1 into one for 0.2, but for what CHANGELOG.md says is left to do by hand (GNU sed):
#   sed -E -i -f docs/rename-0.2.sed *.c *.h
# Once: of a call whose arguments changed places nobody can see whether it has been rewritten.
:read
$!{
N
b read
}

# ---- calls whose arguments are others ----
# The last such call of the file that is not done: \x04 is where its arguments begin, \x01 walks through them with a \x06 for each
# bracket that is open (texts and comments it passes over), \x02 becomes each comma between them, and \x03 the end. Done, it begins with \x05 for its bracket.
:call
t last
:last
s/^(.*)\b(clg_mse_loss|clg_bce_with_logits|clg_grad|clg_optim_create|clg_optim_add_group|clg_conv2d_create|clg_conv_transpose2d_create|clg_linear|clg_linear_create|clg_linear_act|clg_activate|clg_activation_create|clg_layer_norm|clg_layer_norm_act|clg_layer_norm_create|clg_group_norm|clg_instance_norm|clg_batch_norm2d_create|clg_tensor_empty|clg_permute|clg_max_pool2d|clg_avg_pool2d|clg_max_pool2d_create|clg_avg_pool2d_create)\(/\1\2\x04\x01/
T names
:walk
s/\x01(\x06*)("([^"\\]|\\.)*"|\/\/[^\n]*|\/\*([^*]|\*+[^*\/])*\*+\/|\/|[^][(){},"\/\x05\x06]+)/\2\x01\1/
t walk
s/\x01(\x06*)([[({\x05])/\2\x01\x06\1/
t walk
s/\x01\x06(\x06*)([])}])/\2\x01\1/
t walk
s/\x01(\x06+),/,\x01\1/
t walk
s/\x01,/\x02\x01/
t walk
s/\x01\)/\x03/
t end
:end
s/clg_mse_loss\x04([^\x02\x03]*\x02[^\x02\x03]*)\x03/clg_mse_loss\x05\1, NULL)/
s/clg_bce_with_logits\x04([^\x02\x03]*\x02[^\x02\x03]*)\x03/clg_bce_with_logits_loss\x05\1, NULL)/
s/clg_grad\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *false\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_grad\x05\1,\2,\3,\5,\4)/
s/clg_grad\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *true\x02 *NULL\x02([^\x02\x03]*)\x03/clg_grad\x05\1,\2,\3,\4, \&(clg_backward_options){.allow_unused = true})/
s/clg_grad\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *true\x02( *\&\(clg_backward_options\)\{[^}]*)\}\x02([^\x02\x03]*)\x03/clg_grad\x05\1,\2,\3,\5,\4, .allow_unused = true})/
s/clg_optim_create\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_optim_create\x05\1,\3,\4,\2)/
s/clg_optim_add_group\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_optim_add_group\x05\1,\3,\4,\2)/
s/(clg_conv2d_create|clg_conv_transpose2d_create)\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/\1\x05\2,\3,\4,\5,\6,\8,\7)/
s/clg_linear\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_linear\x05\1,\2,\3, NULL)/
s/clg_linear_create\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_linear_create\x05\1,\2,\3,\4, NULL)/
/CLG_ACT_SOFTPLUS/s/clg_linear_act\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/clg_linear\x05\1,\2,\3, \&(clg_linear_options){{\4, {\5, 20}}})/
s/clg_linear_act\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/clg_linear\x05\1,\2,\3, \&(clg_linear_options){{\4, {\5}}})/
/CLG_ACT_SOFTPLUS/s/(clg_activate|clg_activation_create)\x04([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/\1\x05\2, (clg_act){\3, {\4, 20}})/
s/(clg_activate|clg_activation_create)\x04([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/\1\x05\2, (clg_act){\3, {\4}})/
s/(clg_(layer|instance)_norm\x04[^\x03]*)\x02 *1e-5f?\x03/\1, NULL)/
s/(clg_group_norm)\x04([^\x02]*)\x02([^\x02]*)\x02([^\x03]*)\x02 *1e-5f?\x03/\1\x05\2,\4,\3, NULL)/
s/clg_layer_norm\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_layer_norm\x05\1,\2,\3, \&(clg_norm_options){.eps =\4})/
s/clg_instance_norm\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_instance_norm\x05\1,\2,\3, \&(clg_norm_options){.eps =\4})/
s/clg_group_norm\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_group_norm\x05\1,\3,\4,\2, \&(clg_norm_options){.eps =\5})/
/CLG_ACT_SOFTPLUS/s/clg_layer_norm_act\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/clg_layer_norm\x05\1,\2,\3, \&(clg_norm_options){\4, {\5, {\6, 20}}})/
s/clg_layer_norm_act\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x02 *([^\x02\x03]*)\x03/clg_layer_norm\x05\1,\2,\3, \&(clg_norm_options){\4, {\5, {\6}}})/
s/(clg_layer_norm_create\x04[^\x02]*\x02[^\x02]*)\x02 *1e-5f?\x03/\1, NULL)/
s/clg_layer_norm_create\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_layer_norm_create\x05\1,\2, \&(clg_norm_options){.eps =\3})/
s/clg_batch_norm2d_create\x04([^\x02]*\x02[^\x02]*)\x02 *1e-5f?\x02 *0\.1f?\x03/clg_batch_norm_create\x05\1, NULL)/
s/clg_batch_norm2d_create\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_batch_norm_create\x05\1,\2, \&(clg_batch_norm_options){.eps =\3, .momentum =\4})/
s/clg_tensor_empty\x04([^\x02\x03]*)\x02([^\x02\x03]*)\x02([^\x02\x03]*)\x03/clg_tensor_create\x05\1,\2,\3, NULL)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{[^,}]*\})\x03/clg_permute\x05\1,\2, 1)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){1}[^,}]*\})\x03/clg_permute\x05\1,\2, 2)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){2}[^,}]*\})\x03/clg_permute\x05\1,\2, 3)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){3}[^,}]*\})\x03/clg_permute\x05\1,\2, 4)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){4}[^,}]*\})\x03/clg_permute\x05\1,\2, 5)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){5}[^,}]*\})\x03/clg_permute\x05\1,\2, 6)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){6}[^,}]*\})\x03/clg_permute\x05\1,\2, 7)/
s/clg_permute\x04([^\x02]*)\x02( *\(int *\[\]\)\{([^,}]*,){7}[^,}]*\})\x03/clg_permute\x05\1,\2, 8)/
s/clg_permute\x04(\w+)\x02([^\x02\x03]*)\x03/clg_permute\x05\1,\2, clg_tensor_ndim(\1))/

s/(clg_(max|avg)_pool2d(_create)?)\x04([^\x02\x03]*)\x02( *)&\(clg_pool_options\)\{ *\.kernel = \{([^},]*), *([^}]*)\},? *\}\x03/\1\x05\4,\5\6, \7, NULL)/
s/(clg_(max|avg)_pool2d(_create)?)\x04([^\x02\x03]*)\x02( *)&\(clg_pool_options\)\{([^\x02\x03]*)\.kernel = \{([^},]*), *([^}]*)\},? *([^\x02\x03]*)\}\x03/\1\x05\4,\5\7, \8, \&(clg_pool_options){\6\9})/
s/(clg_(max|avg)_pool2d(_create)?)\x04([^\x02\x03]*)\x02( *)&(\w+)\x03/\1\x05\4,\5\6_kernel[0], \6_kernel[1], \&\6)/

# What had none of these forms stays.
s/\x04/\x05/
s/\x01\x06*//
s/\x02/,/g
s/\x03/)/
b call
:names
s/\x05/(/g

# ---- names ----
# A kernel, once in the options o, is in an array o_kernel beside them.
/\bclg_pool_options\b/{
s/\b(\w+)\.kernel\[/\1_kernel[/g
s/\b((static )?)clg_pool_options (\w+) = CLG_POOL_OPTIONS_INIT, (\w+) = CLG_POOL_OPTIONS_INIT;/& \1int \3_kernel[2], \4_kernel[2];/g
s/\b((static )?)clg_pool_options (\w+) = CLG_POOL_OPTIONS_INIT;/& \1int \3_kernel[2];/g
s/\b((static )?)((const )?clg_pool_options (\w+) = )\{\{([^{}]*)\}, *(\{[^{}]*\}, *\{[^{}]*\}, *\{[^{}]*\}, *\w+), *(\w+)\};/\1int \5_kernel[2] = {\6}; \1\3{\7, !\8};/g
s/\b((static )?)((const )?clg_pool_options (\w+) = )\{([^;]*)\.kernel = \{([^{}]*)\},? *([^;]*)\};/\1int \5_kernel[2] = {\7}; \1\3{\6\8};/g
s/\b(clg_pool_options \w+ = )\{ *\};/\1{0};/g
}
s/\bclg_upsample_nearest\b/clg_upsample/g
s/\bclg_custom_new\b/clg_empty/g
s/\bclg_squared_loss\b/clg_mse_loss/g
s/\bclg_cross_entropy\b/clg_cross_entropy_loss/g
s/\bclg_bce_with_logits\b/clg_bce_with_logits_loss/g
s/\bclg_grad_of\b/clg_tensor_grad/g
s/\bclg_is_leaf\b/clg_tensor_is_leaf/g
s/\bclg_requires_grad\b/clg_tensor_requires_grad/g
s/\bclg_set_requires_grad\b/clg_tensor_set_requires_grad/g
s/\bclg_retain_grad\b/clg_tensor_retain_grad/g
s/\bclg_zero_grad\b/clg_tensor_zero_grad/g
s/\bclg_add_hook\b/clg_tensor_add_hook/g
s/\bclg_remove_hook\b/clg_tensor_remove_hook/g
s/\bclg_add_post_accumulate_hook\b/clg_tensor_add_post_accumulate_hook/g
s/\bclg_seed\b/clg_set_seed/g
s/\bclg_seed_get\b/clg_get_seed/g
s/\bclg_context_set_idle\b/clg_set_idle/g
s/\bclg_profile_save\b/clg_device_save/g
s/\bclg_module_train\b/clg_module_set_training/g
s/\bclg_module_is_train\b/clg_module_training/g
s/\bclg_segment\b/clg_function/g
s/\bclg_pass_in\b/clg_arg_read/g
s/\bclg_pass_out\b/clg_arg_write/g
s/\bclg_pass_int\b/clg_arg_int/g
s/\bclg_pass_uint\b/clg_arg_uint/g
s/\bclg_pass_float\b/clg_arg_float/g
s/\bclg_pass\b/clg_arg_of/g
# Options: a call where a macro was, so that a static object takes its values by hand.
s/\(clg_\w+_options\)(CLG_\w+_OPTIONS_INIT)/\1/g
s/\bCLG_CONTEXT_OPTIONS_INIT\b/clg_context_defaults()/g
s/\bCLG_PLAN_OPTIONS_INIT\b/clg_plan_defaults()/g
s/\bCLG_BACKWARD_OPTIONS_INIT\b/clg_backward_defaults()/g
s/\bCLG_GRADCHECK_OPTIONS_INIT\b/clg_gradcheck_defaults()/g
s/\bCLG_CONV_OPTIONS_INIT\b/clg_conv_defaults()/g
s/\bCLG_POOL_OPTIONS_INIT\b/clg_pool_defaults()/g
s/\bCLG_BATCH_NORM_OPTIONS_INIT\b/clg_batch_norm_defaults()/g
s/\bCLG_LOSS_OPTIONS_INIT\b/clg_loss_defaults()/g

# Activations: by name, with their numbers. 20 is where softplus becomes linear.
/CLG_ACT_SOFTPLUS/s/(\w+(\.|->)|\.)slope( *= *[^,;}]+)/\1act.numbers[0]\3, \1act.numbers[1] = 20/g
s/(\.|->)slope( *= *)/\1act.numbers[0]\2/g
s/(\.|->)act( *= *)/\1act.formula\2/g
s/\b(const )?clg_activation( |\b)/const char */g
s/\bCLG_ACT_NONE\b/NULL/g
s/\bCLG_ACT_RELU\b/"relu"/g
s/\bCLG_ACT_LEAKY_RELU\b/"leaky_relu"/g
s/\bCLG_ACT_TANH\b/"tanh"/g
s/\bCLG_ACT_SIGMOID\b/"sigmoid"/g
s/\bCLG_ACT_GELU\b/"gelu"/g
s/\bCLG_ACT_SILU\b/"silu"/g
s/\bCLG_ACT_SOFTPLUS\b/"softplus"/g

# Fields: clg_batch_norm_options.train, clg_plan_options.profile (that of clg_context_options is true or false).
s/(\.|->)exclude_pad( *= *)false\b/\1count_include_pad\2true/g
s/(\.|->)exclude_pad( *= *)true\b/\1count_include_pad\2false/g
s/(\.|->)train( *= *)/\1training\2/g
s/(\.|->)profile( *= *"|( *= *)(path|file|name)\b)/\1device_file\2/g
