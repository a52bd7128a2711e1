// A number of the web gateway is also taken as it is heard over the telephone,
// without its hyphens; other words of ten letters are words.
const form = /^(?:([A-Z]{2})-([0-9A-Z]{4})-([0-9A-Z]{4})|(WB)[- ]?([0-9A-Z]{4})[- ]?([0-9A-Z]{4}))$/

/** Where the event of a reference number (受付番号) is shown, when words are one, in any case and width. */
export function referencePath(words: string): string | undefined {
  const number = form.exec(words.trim().replace(/^"(.*)"$/, '$1').normalize('NFKC').toUpperCase())
  return number ? `/references/${number.slice(1).filter(Boolean).join('-')}` : undefined
}
