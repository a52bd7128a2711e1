/** An address from the server, if it leads into the portal; the first page otherwise. */
export function internal(href: string): string {
  return href.startsWith('/') && !href.startsWith('//') ? href : '/'
}
