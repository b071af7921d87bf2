#!/bin/sh
# Make a link that a Gcore CDN resource with a secure token, or nginx with
# secure_link, opens until a given time:
#
#     https://host/path?md5={token}&expires={unix time}
#     token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="
#
# and the two tokens of Gcore Video Streaming, in the path and for MP4 files.
#
# Run this on your server. Whoever holds the secret can sign every file, so it
# never goes into a page, a script for the browser or an app.

LC_ALL=C # bytes, not characters
export LC_ALL

usage() {
    printf 'link.sh: %s\n' "$1" >&2
    cat >&2 <<'END'
usage: link.sh [--scheme gcore|gcore-streaming|gcore-mp4] [--scope file|directory] [--ip ADDR]
               [--speed SPEED] [--buffer SIZE] --expires UNIX|--ttl SECONDS URL
END
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

# token: base64url of the MD5 of standard input.
token() {
    token=$(openssl md5 -binary | openssl base64 | tr '/+' '_-' | tr -d '=')
    if [ ${#token} -ne 22 ]; then
        echo 'link.sh: openssl gave no MD5' >&2
        exit 2
    fi
    printf '%s' "$token"
}

# split_url URL: sets host, path, query with its "?", fragment with its "#", and join.
# URL is https://host/path or /path, percent-encoded as a browser sends it.
split_url() {
    base=${1%%#*}
    fragment=${1#"$base"}
    path=${base%%\?*}
    query=${base#"$path"}
    host=
    case $path in
        /*) ;;
        http://[!/]*/* | https://[!/]*/*)
            whole=$path
            path=${path#*://}
            path=/${path#*/}
            host=${whole%"$path"}
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
}

# sign_link URL SECRET EXPIRES [file|directory [IP]]: print URL with its token.
# "directory" signs the folder, so that the token opens every file directly in it;
# IP is the only client address that may use the link, empty for any.
sign_link() (
    split_url "$1"
    # The server hashes the decoded path. $(...) drops trailing newlines, the x keeps them.
    signed=$(percent_decode "$path" && echo x)
    signed=${signed%x}
    [ "$4" != directory ] || signed=${signed%/*}/
    token=$(printf '%s%s%s %s' "$3" "$signed" "$5" "$2" | token) || exit
    printf '%s\n' "$base${join}md5=$token&expires=$3$fragment"
)

# sign_stream URL SECRET EXPIRES [IP]: print the URL of a video or stream of Gcore Video Streaming with
# its token in the path, which opens all of its playlists and segments:
# /videos/{account}_{video}/{token}/{expires}/master.m3u8.
sign_stream() (
    split_url "$1"
    case $path in
        /?*/?*/*) ;;
        *) usage 'the path is not /videos/{account}_{video}/{file}' ;;
    esac
    kind=${path#/}
    kind=${kind%%/*}
    rest=${path#"/$kind/"}
    entity=${rest%%/*}
    [ -n "$kind" ] && [ -n "$entity" ] || usage 'the path is not /videos/{account}_{video}/{file}'
    file=${rest#"$entity"}
    signed=$(percent_decode "$entity" && echo x)
    token=$(printf '%s_%s_%s_%s' "${signed%x}" "$2" "$3" "$4" | token) || exit
    printf '%s\n' "$host/$kind/$entity/$token/$3$file$query$fragment"
)

# sign_mp4 URL SECRET EXPIRES [SPEED [BUFFER [IP]]]: print the URL of an MP4 file of Gcore Video
# Streaming with its token. SPEED and BUFFER are as the CDN takes them, such as 1000k; empty for none.
# /download behind the file is not part of what is signed.
sign_mp4() (
    split_url "$1"
    signed=$(percent_decode "$path" && echo x)
    signed=${signed%x}
    case ${signed##*/} in
        download | download=*) signed=${signed%/*} ;;
    esac
    token=$(printf '%s_%s_%s_%s_%s_%s' "$signed" "$2" "$3" "$4" "$5" "$6" | token) || exit
    printf '%s\n' "$base${join}md5=$token&expires=$3${4:+&speed=$4}${5:+&buffer=$5}$fragment"
)

scheme=gcore scope=file ip='' speed='' buffer='' expires='' ttl='' url=''
while [ $# -gt 0 ]; do
    case $1 in
        --scheme | --scope | --ip | --speed | --buffer | --expires | --ttl) [ -n "$2" ] || usage "$1 needs a value" ;;
        -*) usage "unknown option $1" ;;
    esac
    case $1 in
        --scheme) scheme=$2 && shift ;;
        --scope) scope=$2 && shift ;;
        --speed) speed=$2 && shift ;;
        --buffer) buffer=$2 && shift ;;
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
case $scheme in
    gcore) sign_link "$url" "$SLUICEGATE_KEY" "$expires" "$scope" "$ip" ;;
    gcore-streaming) sign_stream "$url" "$SLUICEGATE_KEY" "$expires" "$ip" ;;
    gcore-mp4) sign_mp4 "$url" "$SLUICEGATE_KEY" "$expires" "$speed" "$buffer" "$ip" ;;
    *) usage '--scheme is gcore, gcore-streaming or gcore-mp4' ;;
esac
