"""The problem as one exact CP-SAT model: variables, a module per building block, named objective terms, solve."""
