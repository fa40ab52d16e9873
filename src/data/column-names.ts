/** Names of the column of the words, in lower case, the first that there is being taken. */
export const TOKEN_COLUMNS = ['tokens', 'words', 'token', 'word'];

/** Names of the column of the tags. */
export const TAG_COLUMNS = ['ner_tags', 'tags', 'ner', 'ner_labels', 'labels', 'label', 'ner_tag', 'tag'];

/** Names of the column of a text whose spans are annotated. */
export const TEXT_COLUMNS = ['text', 'data', 'content', 'sentence'];

/** Names of the column of its spans. */
export const SPAN_COLUMNS = ['spans', 'entities', 'labels', 'label', 'ner', 'annotations'];

/** Names of the column that numbers the sentences, where each row is a word. */
export const SENTENCE_COLUMNS = [
  'sentence',
  'sentence_id',
  'sent_id',
  'sentence_number',
  'sentence_idx',
  'sent',
];
