#!/usr/bin/env php
<?php
/*
 * Make a link that a Gcore CDN resource with a secure token, or nginx with
 * secure_link, opens until a given time:
 *
 *     https://host/path?md5={token}&expires={unix time}
 *     token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="
 *
 * and the two tokens of Gcore Video Streaming, in the path and for MP4 files.
 *
 * Run this on your server. Whoever holds the secret can sign every file, so it
 * never goes into a page, a script for the browser or an app.
 */

/**
 * Return $url with its token.
 *
 * $url        https://host/path or /path, percent-encoded as a browser sends it
 * $expires    Unix time in seconds
 * $directory  sign the folder, so that the token opens every file directly in it
 * $ip         the only client address that may use the link; empty for any
 */
function sign_link(string $url, string $secret, int $expires, bool $directory = false, string $ip = ''): string
{
    [$host, $path, $query, $fragment] = url_parts($url);
    $signed = rawurldecode($path); // the server hashes the decoded path
    if ($directory) {
        $signed = substr($signed, 0, strrpos($signed, '/') + 1);
    }
    $token = token("{$expires}{$signed}{$ip} {$secret}");
    return $host . $path . $query . ($query === '' ? '?' : '&') . "md5={$token}&expires={$expires}{$fragment}";
}

/**
 * Return the URL of a video or stream of Gcore Video Streaming with its token in the path, which opens
 * all of its playlists and segments: /videos/{account}_{video}/{token}/{expires}/master.m3u8.
 */
function sign_stream(string $url, string $secret, int $expires, string $ip = ''): string
{
    [$host, $path, $query, $fragment] = url_parts($url);
    if (!preg_match('~^(/[^/]+/([^/]+))(/.*)\z~s', $path, $parts)) {
        throw new InvalidArgumentException('the path is not /videos/{account}_{video}/{file}');
    }
    [, $entity_path, $entity, $file] = $parts;
    $token = token(rawurldecode($entity) . "_{$secret}_{$expires}_{$ip}");
    return "{$host}{$entity_path}/{$token}/{$expires}{$file}{$query}{$fragment}";
}

/**
 * Return the URL of an MP4 file of Gcore Video Streaming with its token. $speed and $buffer are as the
 * CDN takes them, such as 1000k; empty for none. /download behind the file is not part of what is signed.
 */
function sign_mp4(string $url, string $secret, int $expires, string $speed = '', string $buffer = '', string $ip = ''): string
{
    [$host, $path, $query, $fragment] = url_parts($url);
    $signed = preg_replace('~/download(=[^/]*)?\z~', '', rawurldecode($path));
    $token = token("{$signed}_{$secret}_{$expires}_{$speed}_{$buffer}_{$ip}");
    $limits = ($speed === '' ? '' : "&speed={$speed}") . ($buffer === '' ? '' : "&buffer={$buffer}");
    return $host . $path . $query . ($query === '' ? '?' : '&') . "md5={$token}&expires={$expires}{$limits}{$fragment}";
}

/** Host, path, query with its "?", fragment with its "#". */
function url_parts(string $url): array
{
    if (!preg_match('~^((?:https?://[^/?#]+)?)(/[^?#]*)(\?[^#]*)?(#.*)?\z~s', $url, $parts)) {
        throw new InvalidArgumentException('neither https://host/path nor /path');
    }
    if (preg_match('/%(?![0-9A-Fa-f]{2})|%00/', $parts[2])) {
        throw new InvalidArgumentException('invalid % escape in the path');
    }
    return [$parts[1], $parts[2], $parts[3] ?? '', $parts[4] ?? ''];
}

function token(string $text): string
{
    return rtrim(strtr(base64_encode(md5($text, true)), '+/', '-_'), '=');
}

/* The command line; leave it out when you copy the function. */

function usage(string $problem): void
{
    fwrite(STDERR, "link.php: $problem\n"
        . "usage: link.php [--scheme gcore|gcore-streaming|gcore-mp4] [--scope file|directory] [--ip ADDR]\n"
        . "                [--speed SPEED] [--buffer SIZE] --expires UNIX|--ttl SECONDS URL\n");
    exit(64);
}

$given = ['--scheme' => 'gcore', '--scope' => 'file', '--ip' => '', '--speed' => '', '--buffer' => '',
    '--expires' => '', '--ttl' => '', 'url' => ''];
$args = array_slice($argv, 1);
while ($args) {
    $name = array_shift($args);
    if (strncmp($name, '-', 1) !== 0) {
        if ($given['url'] !== '') {
            usage('more than one URL');
        }
        $given['url'] = $name;
    } elseif (!isset($given[$name])) {
        usage("unknown option $name");
    } elseif (($args[0] ?? '') === '') {
        usage("$name needs a value");
    } else {
        $given[$name] = array_shift($args);
    }
}

$secret = (string) getenv('SLUICEGATE_KEY');
if ($secret === '') {
    usage('SLUICEGATE_KEY is not set');
}
if (!in_array($given['--scope'], ['file', 'directory'], true)) {
    usage('--scope is file or directory');
}
if (($given['--expires'] === '') === ($given['--ttl'] === '')) {
    usage('give one of --expires and --ttl');
}
$seconds = $given['--expires'] . $given['--ttl'];
if (!preg_match('/^[1-9][0-9]{0,17}\z/', $seconds)) {
    usage('--expires and --ttl take whole seconds, from 1');
}
$expires = (int) $seconds + ($given['--ttl'] === '' ? 0 : time());
try {
    switch ($given['--scheme']) {
        case 'gcore':
            $link = sign_link($given['url'], $secret, $expires, $given['--scope'] === 'directory', $given['--ip']);
            break;
        case 'gcore-streaming':
            $link = sign_stream($given['url'], $secret, $expires, $given['--ip']);
            break;
        case 'gcore-mp4':
            $link = sign_mp4($given['url'], $secret, $expires, $given['--speed'], $given['--buffer'], $given['--ip']);
            break;
        default:
            usage('--scheme is gcore, gcore-streaming or gcore-mp4');
    }
    echo $link, "\n";
} catch (InvalidArgumentException $problem) {
    usage($problem->getMessage());
}
