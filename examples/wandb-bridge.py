"""Lines of JSON on standard input become a run of Weights & Biases; see wandb.ts."""

import json
import sys

import wandb

first = json.loads(sys.stdin.readline())
run = wandb.init(project=first["project"], config=first["config"])
# Steps are a figure of their own: the test split belongs to the best weights, which are older than the last step.
run.define_metric("step")
run.define_metric("*", step_metric="step")
# Without a last word the training was killed.
exit_code = 1
for line in sys.stdin:
    message = json.loads(line)
    if "exitCode" in message:
        exit_code = message["exitCode"]
    else:
        run.log({"step": message["step"], **message["values"]})
run.finish(exit_code=exit_code)
