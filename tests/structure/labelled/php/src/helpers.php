<?php

if (!function_exists('describe')) {
    function describe(object $value): string
    {
        return get_class($value);
    }
}

if (!function_exists('str_contains')) {
    function str_contains($haystack, $needle)
    {
        return strpos($haystack, $needle) !== false;
    }
}
