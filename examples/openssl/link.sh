#!/bin/sh
# Make a link that a Gcore CDN resource with a secure token, or nginx with
# secure_link, opens until a given time:
#
#     https://host/path?md5={token}&expires={unix time}
#     token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="
#
# Run this on your server. Whoever holds the secret can sign every file, so it
# never goes into a page, a script for the browser or an app.

LC_ALL=C # bytes, not characters
export LC_ALL

usage() {
    printf 'link.sh: %s\n' "$1" >&2
    echo 'usage: link.sh [--scope file|directory] [--ip ADDR] --expires UNIX|--ttl SECONDS URL' >&2
    exit 64
}

# percent_decode TEXT: every %XX must be valid.
percent_decode() (
    rest=$1
    while :; do
        case $rest in
            *%*) ;;
            *) break ;;
        esac
        printf '%s' "${rest%%\%*}"
        rest=${rest#*%}
        after=${rest#??}
        octal=$(printf '%03o' "0x${rest%"$after"}")
        printf '%b' "\\0$octal"
        rest=$after
    done
    printf '%s' "$rest"
)

# sign_link URL SECRET EXPIRES [file|directory [IP]]: print URL with its token.
# URL is https://host/path or /path, percent-encoded as a browser sends it;
# "directory" signs the folder, so that the token opens every file directly in it;
# IP is the only client address that may use the link, empty for any.
sign_link() (
    base=${1%%#*}
    fragment=${1#"$base"}
    path=${base%%\?*}
    case $path in
        /*) ;;
        http://[!/]*/* | https://[!/]*/*)
            path=${path#*://}
            path=/${path#*/}
            ;;
        *) usage 'neither https://host/path nor /path' ;;
    esac
    case $path in
        *% | *%? | *%[!0-9A-Fa-f]* | *%?[!0-9A-Fa-f]* | *%00*) usage 'invalid % escape in the path' ;;
    esac
    case $base in
        *\?*) join='&' ;;
        *) join='?' ;;
    esac

    # The server hashes the decoded path. $(...) drops trailing newlines, the x keeps them.
    signed=$(percent_decode "$path" && echo x)
    signed=${signed%x}
    [ "$4" != directory ] || signed=${signed%/*}/
    token=$(printf '%s%s%s %s' "$3" "$signed" "$5" "$2" |
        openssl md5 -binary | openssl base64 | tr '/+' '_-' | tr -d '=')
    if [ ${#token} -ne 22 ]; then
        echo 'link.sh: openssl gave no MD5' >&2
        exit 2
    fi
    printf '%s\n' "$base${join}md5=$token&expires=$3$fragment"
)

scope=file ip='' expires='' ttl='' url=''
while [ $# -gt 0 ]; do
    case $1 in
        --scope | --ip | --expires | --ttl) [ -n "$2" ] || usage "$1 needs a value" ;;
        -*) usage "unknown option $1" ;;
    esac
    case $1 in
        --scope) scope=$2 && shift ;;
        --ip) ip=$2 && shift ;;
        --expires) expires=$2 && shift ;;
        --ttl) ttl=$2 && shift ;;
        *)
            [ -z "$url" ] || usage 'more than one URL'
            url=$1
            ;;
    esac
    shift
done

[ -n "$SLUICEGATE_KEY" ] || usage 'SLUICEGATE_KEY is not set'
case $scope in
    file | directory) ;;
    *) usage '--scope is file or directory' ;;
esac
case ${expires:+set}${ttl:+set} in
    set) ;;
    *) usage 'give one of --expires and --ttl' ;;
esac
seconds=$expires$ttl
case $seconds in
    0* | *[!0-9]* | ???????????????????*) usage '--expires and --ttl take whole seconds, from 1' ;;
esac
[ -z "$ttl" ] || expires=$(($(date +%s) + ttl))
sign_link "$url" "$SLUICEGATE_KEY" "$expires" "$scope" "$ip"
