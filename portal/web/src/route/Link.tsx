import type { AnchorHTMLAttributes, MouseEvent } from 'react'
import { useRouter } from './router'

type Props = AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }

/** A link inside the portal. New tab, middle click and downloads stay the browser's. */
export function Link({ onClick, ...rest }: Props) {
  const { go } = useRouter()
  const click = (e: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(e)
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || rest.target) return
    e.preventDefault()
    go(rest.href)
  }
  return <a {...rest} onClick={click} />
}
