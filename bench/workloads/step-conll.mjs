import { stepWorkload } from '../step-workload.mjs';

export default stepWorkload({
  title: 'a training step on sentences as long as those of CoNLL-2003',
  lengths: 'conll2003-train.json',
});
