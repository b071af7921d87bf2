#!/usr/bin/env php
<?php
/*
 * Make a link that a Gcore CDN resource with a secure token, or nginx with
 * secure_link, opens until a given time:
 *
 *     https://host/path?md5={token}&expires={unix time}
 *     token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="
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
    if (!preg_match('~^((?:https?://[^/?#]+)?(/[^?#]*)(\?[^#]*)?)(#.*)?\z~s', $url, $parts)) {
        throw new InvalidArgumentException('neither https://host/path nor /path');
    }
    [, $base, $path] = $parts;
    $query = $parts[3] ?? '';
    $fragment = $parts[4] ?? '';
    if (preg_match('/%(?![0-9A-Fa-f]{2})|%00/', $path)) {
        throw new InvalidArgumentException('invalid % escape in the path');
    }

    $signed = rawurldecode($path); // the server hashes the decoded path
    if ($directory) {
        $signed = substr($signed, 0, strrpos($signed, '/') + 1);
    }
    $digest = md5("{$expires}{$signed}{$ip} {$secret}", true);
    $token = rtrim(strtr(base64_encode($digest), '+/', '-_'), '=');
    return $base . ($query === '' ? '?' : '&') . "md5={$token}&expires={$expires}{$fragment}";
}

/* The command line; leave it out when you copy the function. */

function usage(string $problem): void
{
    fwrite(STDERR, "link.php: $problem\n"
        . "usage: link.php [--scope file|directory] [--ip ADDR] --expires UNIX|--ttl SECONDS URL\n");
    exit(64);
}

$given = ['--scope' => 'file', '--ip' => '', '--expires' => '', '--ttl' => '', 'url' => ''];
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
    echo sign_link($given['url'], $secret, $expires, $given['--scope'] === 'directory', $given['--ip']), "\n";
} catch (InvalidArgumentException $problem) {
    usage($problem->getMessage());
}
