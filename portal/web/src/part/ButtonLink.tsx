import type { ReactNode } from 'react'
import { Link } from '../route/Link'
import { buttonClass, type ButtonLook } from './Button'
import { Icon } from './Icon'
import type { IconName } from './icons'

interface Props {
  href: string
  look?: ButtonLook
  small?: boolean
  icon?: IconName
  /** A file of the API: the browser fetches it. */
  download?: boolean
  children: ReactNode
}

/** A link that looks like a button because it is the next step. */
export function ButtonLink({ href, look = 'outline', small = false, icon, download = false, children }: Props) {
  const body = (
    <>
      {icon && <Icon name={icon} size={18} />}
      {children}
    </>
  )
  if (download) {
    return (
      <a href={href} download className={buttonClass(look, small)}>
        {body}
      </a>
    )
  }
  return (
    <Link href={href} className={buttonClass(look, small)}>
      {body}
    </Link>
  )
}
