;;; lanebridge-edit.el --- The server's edits, applied or refused  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; workspace/applyEdit.  All of it is looked at before any of it is done:
;; each version must be the buffer's own, once what was typed last is
;; told; nothing may be asked of the person, since keys would answer that
;; were meant for something else.  An edit of a buffer is one step of its
;; undo list, and leaves exactly the text it was meant to leave, or the
;; one that was there.

;;; Code:

(require 'cl-lib)
(require 'lanebridge-connection)
(require 'lanebridge-sync)

(lanebridge-announce '(:workspace :applyEdit) t)
(lanebridge-announce '(:workspace :workspaceEdit)
                     '(:documentChanges t
                       :resourceOperations ["create" "rename" "delete"]
                       :failureHandling "abort"))

(define-error 'lanebridge-refused "Not applied")

(defun lanebridge-edit--refuse (format &rest args)
  "Refuse the edit because of FORMAT with ARGS."
  (signal 'lanebridge-refused (list (apply #'format format args))))

(defun lanebridge-edit--why (err)
  "What the error ERR says."
  (if (eq (car err) 'lanebridge-refused) (cadr err) (error-message-string err)))

(defmacro lanebridge-without-asking (&rest body)
  "Evaluate BODY, where nothing may be asked: what would, fails."
  (declare (indent 0) (debug t))
  `(let ((inhibit-interaction t)
         (enable-local-variables :safe)
         (enable-local-eval nil)
         (large-file-warning-threshold nil)
         (find-file-suppress-same-file-warnings t)
         (vc-follow-symlinks nil)
         (deactivate-mark nil))
     ,@body))

(defvar vc-follow-symlinks)

;;; Files and buffers

(defun lanebridge-file-buffer (uri)
  "The buffer that visits the file of URI, or nil."
  (let ((file (lanebridge-uri-file uri)))
    (and file (or (get-file-buffer file) (find-buffer-visiting file)))))

(defun lanebridge-edit--file (uri)
  "The file of URI, which must be one."
  (or (lanebridge-uri-file uri) (lanebridge-edit--refuse "this is no file: %s" uri)))

(defun lanebridge-visit (uri)
  "The buffer of the file of URI, which is read if it is not open."
  (or (lanebridge-file-buffer uri)
      (let ((inhibit-message t))
        (find-file-noselect (lanebridge-edit--file uri) t))))

(defun lanebridge-changed-on-disk-p ()
  "Non-nil if something else has written the current buffer's file."
  (and buffer-file-name (file-exists-p buffer-file-name)
       (not (verify-visited-file-modtime))))

(defun lanebridge-edit--read-again ()
  "Read the current buffer's file again."
  (let ((inhibit-message t))
    (lanebridge-without-asking
      (revert-buffer t t t))))

(defun lanebridge-edit-reload ()
  "Read files again that are not what is on the disk any more.
Buffers with changes stay as they are, and ask as ever when they are
saved."
  (lanebridge-sync-flush)
  (dolist (buffer lanebridge-sync--buffers)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (when (and (not (buffer-modified-p)) (lanebridge-changed-on-disk-p))
          (condition-case err
              (lanebridge-edit--read-again)
            (error (lanebridge-log "%s was not read again: %s" buffer-file-name
                                   (error-message-string err)))))))))

;;; Checks

(defun lanebridge-edit--check-version (version)
  "Refuse an edit for VERSION if the current buffer has another one."
  (let ((mine (lanebridge-sync-version)))
    (cond
     ((null mine)
      (when (buffer-modified-p)
        (lanebridge-edit--refuse "the buffer has changes that were not known: %s"
                                 buffer-file-name)))
     ((null version)
      (when (buffer-modified-p)
        (lanebridge-edit--refuse "the file was opened and changed: %s" buffer-file-name)))
     ((/= mine version)
      (lanebridge-edit--refuse "the buffer has changed (version %d, the edit is for %d): %s"
                               mine version buffer-file-name)))))

(defun lanebridge-edit--check-buffer ()
  "Refuse an edit of the current buffer if it cannot be changed without asking."
  (cond
   ((not (lanebridge-sync--plain-p))
    (lanebridge-edit--refuse "the buffer is not what is in the file: %s" buffer-file-name))
   (buffer-read-only
    (lanebridge-edit--refuse "the buffer is read-only: %s" buffer-file-name))
   ((stringp (file-locked-p buffer-file-name))
    (lanebridge-edit--refuse "%s is editing the file: %s" (file-locked-p buffer-file-name)
                             buffer-file-name))
   ((and (not (buffer-modified-p)) (lanebridge-changed-on-disk-p))
    (lanebridge-edit--read-again)
    (lanebridge-edit--refuse "the file was changed on disk and is read again: %s"
                             buffer-file-name))))

(defun lanebridge-edit--check-text (change made)
  "Refuse CHANGE, a TextDocumentEdit, if it cannot be applied.
MADE are URIs that other parts of the same edit make."
  (let* ((document (plist-get change :textDocument))
         (uri (plist-get document :uri))
         ;; It may be null, however that was read.
         (version (let ((told (plist-get document :version))) (and (integerp told) told)))
         (buffer (lanebridge-file-buffer uri)))
    (cond
     (buffer
      (with-current-buffer buffer
        (lanebridge-edit--check-version version)
        (lanebridge-edit--check-buffer)
        (lanebridge-edit--regions (plist-get change :edits))))
     (version (lanebridge-edit--refuse "the file was closed: %s" uri))
     ((member uri made))
     ((not (file-exists-p (lanebridge-edit--file uri)))
      (lanebridge-edit--refuse "there is no such file: %s" uri)))))

(defun lanebridge-edit--check-gone (uri)
  "Refuse to take the file of URI away if a buffer has changes of it."
  (let ((buffer (lanebridge-file-buffer uri)))
    (when (and buffer (buffer-modified-p buffer))
      (lanebridge-edit--refuse "the buffer has changes that are not saved: %s"
                               (buffer-file-name buffer)))))

(defun lanebridge-edit--option (change name)
  "Non-nil if CHANGE has the option NAME."
  (eq (plist-get (plist-get change :options) name) t))

(defun lanebridge-edit--check-new (change uri)
  "Refuse CHANGE if it would write over the file of URI without saying so."
  (when (file-exists-p (lanebridge-edit--file uri))
    (unless (or (lanebridge-edit--option change :overwrite)
                (lanebridge-edit--option change :ignoreIfExists))
      (lanebridge-edit--refuse "there is already a file: %s" uri))
    (lanebridge-edit--check-gone uri)))

(defun lanebridge-edit--check (changes)
  "Refuse CHANGES if one of them cannot be done."
  (let (made)
    (seq-doseq (change changes)
      (pcase (plist-get change :kind)
        ('nil (lanebridge-edit--check-text change made))
        ("create"
         (lanebridge-edit--check-new change (plist-get change :uri))
         (push (plist-get change :uri) made))
        ("rename"
         (unless (member (plist-get change :oldUri) made)
           (lanebridge-edit--check-there change (plist-get change :oldUri)))
         (lanebridge-edit--check-new change (plist-get change :newUri))
         (push (plist-get change :newUri) made))
        ("delete"
         (lanebridge-edit--check-there change (plist-get change :uri))
         (lanebridge-edit--check-gone (plist-get change :uri)))
        (kind (lanebridge-edit--refuse "there is no such change of files: %s" kind))))))

(defun lanebridge-edit--check-there (change uri)
  "Refuse CHANGE if there is no file of URI."
  (unless (or (lanebridge-edit--option change :ignoreIfNotExists)
              (lanebridge-file-buffer uri)
              (file-exists-p (lanebridge-edit--file uri)))
    (lanebridge-edit--refuse "there is no such file: %s" uri)))

;;; Text

(defun lanebridge-edit--loses-bytes-p (beg end text)
  "Non-nil if TEXT has U+FFFD where BEG to END has bytes that are no text."
  (and (string-search "\uFFFD" text)
       (string-match-p "[\xD800-\xDFFF\x110000-\x3FFFFF]" (buffer-substring beg end))))

(defun lanebridge-edit--regions (edits)
  "EDITS of the current buffer as a list of (BEG END TEXT), in order."
  (save-restriction
    (widen)
    (let* ((regions (mapcar (lambda (edit)
                              (pcase-let ((`(,beg . ,end)
                                           (lanebridge-region (plist-get edit :range))))
                                (list beg end
                                      (lanebridge-to-buffer-text (plist-get edit :newText)))))
                            edits))
           (sorted (cl-stable-sort regions #'< :key #'car))
           (last (point-min)))
      (pcase-dolist (`(,beg ,end ,text) sorted)
        (when (or (< beg last) (< end beg))
          (lanebridge-edit--refuse "edits overlap: %s" buffer-file-name))
        (when (lanebridge-edit--loses-bytes-p beg end text)
          (lanebridge-edit--refuse "bytes that are no UTF-8 would be lost: %s" buffer-file-name))
        (setq last end))
      sorted)))

(defun lanebridge-edit--expected (regions)
  "The text of the current buffer when REGIONS are applied."
  (let ((at (point-min)) parts)
    (pcase-dolist (`(,beg ,end ,text) regions)
      (push (buffer-substring-no-properties at beg) parts)
      (push text parts)
      (setq at end))
    (push (buffer-substring-no-properties at (point-max)) parts)
    (apply #'concat (nreverse parts))))

(defun lanebridge-edit--places ()
  "Where the buffer's point and its windows' are, as functions that go back.
The result is a list of markers and functions."
  (cons (cons (point-marker) (lambda (marker) (goto-char marker)))
        (mapcar (lambda (window)
                  (cons (copy-marker (window-point window))
                        (lambda (marker) (set-window-point window marker))))
                (get-buffer-window-list nil nil t))))

(defun lanebridge-edit--replace (beg end text places)
  "Replace what is from BEG to END by TEXT, where they differ.
PLACES stay with the lines they are in."
  (let* ((old (buffer-substring-no-properties beg end))
         (same (compare-strings old nil nil text nil nil))
         (head (if (eq same t) (length old) (1- (abs same))))
         (tail 0)
         (max (- (min (length old) (length text)) head)))
    (while (and (< tail max)
                (eq (aref old (- (length old) tail 1)) (aref text (- (length text) tail 1))))
      (setq tail (1+ tail)))
    (let* ((from (+ beg head))
           (new (substring text head (- (length text) tail)))
           (lines (and (= from (- end tail)) (string-suffix-p "\n" new)
                       (or (= from (point-min)) (eq (char-before from) ?\n)))))
      (pcase-dolist (`(,marker . ,_) places)
        (set-marker-insertion-type marker lines))
      (goto-char from)
      (delete-region from (- end tail))
      (insert new))))

(defun lanebridge-edit-apply-here (edits)
  "Apply EDITS, a sequence of TextEdit, to the current buffer, as one step of undo.
Either the text becomes what they say, or it stays what it was."
  (save-restriction
    (widen)
    (let* ((regions (lanebridge-edit--regions edits))
           (expected (lanebridge-edit--expected regions))
           (places (lanebridge-edit--places)))
      (undo-boundary)
      (unwind-protect
          (atomic-change-group
            (pcase-dolist (`(,beg ,end ,text) (reverse regions))
              (lanebridge-edit--replace beg end text places))
            (unless (equal expected (buffer-substring-no-properties (point-min) (point-max)))
              (lanebridge-edit--refuse "something in the editor changed the edit: %s"
                                       buffer-file-name)))
        (pcase-dolist (`(,marker . ,go) places)
          (funcall go marker)
          (set-marker marker nil)))
      (undo-boundary)
      ;; Else what is typed next is put into the same step.
      (setq undo-auto--last-boundary-cause 'lanebridge))))

(defvar undo-auto--last-boundary-cause)

;;; Files

(defun lanebridge-edit--create (change)
  "Make the file of CHANGE."
  (let ((file (lanebridge-edit--file (plist-get change :uri))))
    (unless (and (file-exists-p file) (not (lanebridge-edit--option change :overwrite)))
      (make-directory (file-name-directory file) t)
      (write-region "" nil file nil 'quiet)
      (let ((buffer (lanebridge-file-buffer (plist-get change :uri))))
        (when buffer
          (with-current-buffer buffer (lanebridge-edit--read-again)))))))

(defun lanebridge-edit--rename (change)
  "Rename the file of CHANGE, and have its buffer follow."
  (let* ((uri (plist-get change :oldUri))
         (old (lanebridge-edit--file uri))
         (new (lanebridge-edit--file (plist-get change :newUri)))
         (buffer (lanebridge-file-buffer uri)))
    (make-directory (file-name-directory new) t)
    (when (file-exists-p old)
      (rename-file old new (lanebridge-edit--option change :overwrite)))
    (when buffer
      (with-current-buffer buffer
        (let ((modified (buffer-modified-p)))
          (set-visited-file-name new t t)
          (set-buffer-modified-p modified))))))

(defun lanebridge-edit--delete (change)
  "Delete the file of CHANGE, and its buffer."
  (let* ((uri (plist-get change :uri))
         (file (lanebridge-edit--file uri))
         (buffer (lanebridge-file-buffer uri)))
    (cond ((file-directory-p file)
           (delete-directory file (lanebridge-edit--option change :recursive) t))
          ((file-exists-p file) (delete-file file t)))
    (when buffer
      (kill-buffer buffer))))

(defun lanebridge-edit--change (change)
  "Do CHANGE, one of documentChanges."
  (pcase (plist-get change :kind)
    ("create" (lanebridge-edit--create change))
    ("rename" (lanebridge-edit--rename change))
    ("delete" (lanebridge-edit--delete change))
    (_ (let* ((uri (plist-get (plist-get change :textDocument) :uri))
              (open (lanebridge-file-buffer uri)))
         (with-current-buffer (lanebridge-visit uri)
           (unless (or open (> (buffer-size) 0))
             (set-buffer-file-coding-system 'utf-8-unix t t))
           (lanebridge-edit-apply-here (plist-get change :edits)))))))

;;; The request

(defun lanebridge-edit--changes (edit)
  "EDIT, a WorkspaceEdit, as a list of documentChanges."
  (or (append (plist-get edit :documentChanges) nil)
      (cl-loop for (uri edits) on (plist-get edit :changes) by #'cddr
               collect (list :textDocument (list :uri (substring (symbol-name uri) 1))
                             :edits edits))))

(defun lanebridge-edit-on-apply (params reply)
  "Answer workspace/applyEdit with PARAMS by REPLY."
  (let ((changes (lanebridge-edit--changes (plist-get params :edit)))
        (done 0))
    (lanebridge-sync-flush)
    (condition-case err
        (lanebridge-without-asking
          (lanebridge-edit--check changes)
          (dolist (change changes)
            (lanebridge-edit--change change)
            (setq done (1+ done)))
          (funcall reply '(:applied t)))
      (error
       (let ((why (lanebridge-edit--why err)))
         (lanebridge-log "an edit was not applied: %s" why)
         (funcall reply (append (list :applied :json-false :failureReason why)
                                (if (> done 0) (list :failedChange done)))))))))

(defun lanebridge-edit--item-completed (params)
  "Files are read again after a command, told of by PARAMS."
  (when (equal (plist-get (plist-get params :item) :type) "commandExecution")
    (lanebridge-edit-reload)))

(lanebridge-on-request "workspace/applyEdit" #'lanebridge-edit-on-apply)
(lanebridge-on "lanebridge/item/completed" #'lanebridge-edit--item-completed)

(provide 'lanebridge-edit)
;;; lanebridge-edit.el ends here
