import { stepWorkload } from '../step-workload.mjs';

export default stepWorkload({
  title: 'a training step on sentences as long as those of KazNERD',
  lengths: 'kaznerd-valid.json',
});
