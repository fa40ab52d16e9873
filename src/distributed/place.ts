/** The place of a process among those that train one model together, and where they meet. */
export interface Place {
  /** From 0; rank 0 alone prints and writes. */
  rank: number;
  /** Number of ranks. */
  size: number;
  /** Among the ranks of this host. */
  localRank: number;
  localSize: number;
  /** Where the store is that ranks meet by. */
  host: string;
  port: number;
  /** Whether rank 0 makes the store; an agent of the launcher has it otherwise. */
  serves: boolean;
  /** Of the keys in the store, different for each restart. */
  prefix: string;
  /** Who started the ranks; Kubeflow sets the variables of `torchrun`. */
  launcher: 'torchrun' | 'slurm' | 'permafrost';
  /**
   * Address that this rank listens at for the others.
   *
   * @default the one by which it reaches the store: loopback where that is on loopback
   */
  bind?: string;
  /** Known to all ranks and to nobody else; proved beside the one that rank 0 puts into the store. */
  secret?: string;
}
