/** Processes that share a piece of work, as one of them sees it; all make the same calls in the same order. */
export interface Peers {
  /** From 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /**
   * What each of them makes, by rank. Where the work of one is stopped by its signal, that of all is.
   *
   * @throws RANK_FAILED; what the work throws
   */
  gatherBytes(work: () => Promise<Uint8Array>): Promise<Uint8Array[]>;
}
