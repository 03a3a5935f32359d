<?php

const SHOP_TITLE = 'Shop';

require_once __DIR__ . '/../inc/user.php';
require_once(realpath(__DIR__ . '/text.inc'));
require_once 'config.php';
@include dirname(__FILE__) . '/local.php';
